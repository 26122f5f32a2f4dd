/** Told of each step in a few words. */
export type Report = (line: string) => void;

/** Lines to standard error, each with the seconds since the start, so that standard output stays for results. */
export function timedReport(): Report {
  const started = performance.now();
  return (line) => {
    const seconds = ((performance.now() - started) / 1000).toFixed(1).padStart(6);
    process.stderr.write(`${seconds} s  ${line}\n`);
  };
}
