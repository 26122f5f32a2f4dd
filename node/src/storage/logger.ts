/** The part of a pino logger that storage uses. */
export interface StorageLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export const NO_LOGGER: StorageLogger = { info() {}, warn() {} };
