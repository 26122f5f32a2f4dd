/**
 * Appends on their way to one peer, oldest first, each by its last index. Bounded by count and by bytes, so that a
 * slow peer costs a bounded amount of memory in the sending socket.
 */
export class Inflight {
  private lastIndexes: number[] = [];
  private sizes: number[] = [];
  private head = 0;
  private bytes = 0;
  private readonly maxMessages: number;
  private readonly maxBytes: number;

  constructor(maxMessages: number, maxBytes: number) {
    this.maxMessages = maxMessages;
    this.maxBytes = maxBytes;
  }

  get count(): number {
    return this.lastIndexes.length - this.head;
  }

  /** Asked before a send: one message may overshoot the bytes, so that an entry larger than the window still goes. */
  get full(): boolean {
    return this.count >= this.maxMessages || (this.count > 0 && this.bytes >= this.maxBytes);
  }

  add(lastIndex: number, bytes: number): void {
    this.lastIndexes.push(lastIndex);
    this.sizes.push(bytes);
    this.bytes += bytes;
  }

  /** All messages that end at or before `index` have arrived. */
  freeTo(index: number): void {
    while (this.head < this.lastIndexes.length && this.lastIndexes[this.head]! <= index) {
      this.bytes -= this.sizes[this.head]!;
      this.head += 1;
    }
    if (this.head === this.lastIndexes.length) this.reset();
    else if (this.head > 64 && this.head * 2 > this.lastIndexes.length) {
      this.lastIndexes = this.lastIndexes.slice(this.head);
      this.sizes = this.sizes.slice(this.head);
      this.head = 0;
    }
  }

  reset(): void {
    this.lastIndexes.length = 0;
    this.sizes.length = 0;
    this.head = 0;
    this.bytes = 0;
  }
}
