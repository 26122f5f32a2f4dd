import { spawn } from 'node:child_process';

export interface CommandOptions {
  readonly cwd?: string;
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  /** Ends the command by SIGKILL. */
  readonly timeoutMs?: number;
  /** Called with each line of standard error. */
  readonly onErrorLine?: (line: string) => void;
  readonly onOutputLine?: (line: string) => void;
}

export class CommandError extends Error {
  readonly stderr: string;
  constructor(message: string, stderr: string) {
    super(message);
    this.name = 'CommandError';
    this.stderr = stderr;
  }
}

function intoLines(onLine: (line: string) => void): (chunk: Buffer | string) => void {
  let partial = '';
  return (chunk) => {
    const lines = (partial + String(chunk)).split('\n');
    partial = lines.pop() ?? '';
    for (const line of lines) onLine(line);
  };
}

const KEPT_ERROR_BYTES = 64 * 1024;

/** Runs a program to its end and gives its standard output; any exit but 0 is a CommandError that ends in what it said. */
export function run(program: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: [options.stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      ...(options.timeoutMs === undefined
        ? {}
        : { timeout: options.timeoutMs, killSignal: 'SIGKILL' as const }),
    });
    const output: Buffer[] = [];
    let errors = '';
    child.stdout?.on('data', (chunk: Buffer) => output.push(chunk));
    if (options.onOutputLine !== undefined) child.stdout?.on('data', intoLines(options.onOutputLine));
    if (options.onErrorLine !== undefined) child.stderr?.on('data', intoLines(options.onErrorLine));
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      errors = (errors + chunk).slice(-KEPT_ERROR_BYTES);
    });
    // A program that ends without reading its input would raise EPIPE here; its exit code says what went wrong.
    child.stdin?.on('error', () => {});
    child.stdin?.end(options.stdin);
    child.on('error', (error) => reject(new CommandError(`${program}: ${error.message}`, '')));
    child.on('close', (code, signal) => {
      if (code === 0) return resolve(Buffer.concat(output).toString());
      const shown = [program, ...args].join(' ').slice(0, 300);
      const tail = errors.trim().split('\n').slice(-15).join('\n');
      reject(new CommandError(`${shown}: ${signal ?? `exit code ${code}`}\n${tail}`, errors));
    });
  });
}

/** For steps of cleaning up, where a failure means that there was nothing to clean. */
export async function runAnyway(
  program: string,
  args: readonly string[],
  options?: CommandOptions,
): Promise<string> {
  try {
    return await run(program, args, options);
  } catch {
    return '';
  }
}
