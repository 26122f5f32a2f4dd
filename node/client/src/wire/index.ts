export { FrameDecoder } from './frameDecoder.ts';
export { FrameWriter } from './frameWriter.ts';
export { pack, packCommand, unpack, unpackMany } from './pack.ts';
export { WireError } from './wireError.ts';
