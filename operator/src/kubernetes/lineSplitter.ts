import { KubeError } from '../runtime/kube.ts';

const NEWLINE = 0x0a;
/** An object in etcd is at most some MiB; what goes on for longer without an end is no watch. */
const MAX_LINE_BYTES = 64 * 1024 * 1024;

/** Lines out of chunks that end anywhere, also within a character. */
export class LineSplitter {
  #parts: Buffer[] = [];
  #bytes = 0;

  /** The lines that `chunk` completes, without empty ones. */
  push(chunk: Buffer): string[] {
    const lines: string[] = [];
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      this.#parts.push(chunk.subarray(start, end));
      start = end + 1;
      // Decoded whole: a character may lie across two chunks.
      const line = Buffer.concat(this.#parts).toString('utf8').trim();
      this.#parts = [];
      this.#bytes = 0;
      if (line !== '') lines.push(line);
    }
    if (start < chunk.length) {
      this.#parts.push(chunk.subarray(start));
      this.#bytes += chunk.length - start;
      if (this.#bytes > MAX_LINE_BYTES)
        throw new KubeError('Unavailable', `a line of a watch is longer than ${MAX_LINE_BYTES} bytes`);
    }
    return lines;
  }
}
