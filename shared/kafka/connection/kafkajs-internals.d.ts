/** The parts of kafkajs and of the codecs that shared/kafka uses and that have no types. */

declare module "kafkajs/src/network/connection.js" {
  type Socket = import("node:net").Socket;
  type Log = (message: string, extra?: Record<string, unknown>) => void;
  type Logger = {
    readonly debug: Log;
    readonly info: Log;
    readonly warn: Log;
    readonly error: Log;
    readonly namespace: () => Logger;
  };
  type Protocol = {
    readonly request: {
      readonly apiKey: number;
      readonly apiVersion: number;
      readonly apiName: string;
      readonly encode: () => Promise<{ readonly buf: Buffer; readonly buffer: Buffer }>;
    };
    readonly response: {
      readonly decode: (payload: Buffer) => Buffer;
      readonly parse: (payload: Buffer) => Buffer;
    };
    readonly logResponseError: boolean;
  };
  class Connection {
    constructor(options: {
      readonly host: string;
      readonly port: number;
      readonly clientId: string;
      readonly logger: Logger;
      readonly socketFactory: (options: {
        readonly host: string;
        readonly port: number;
        readonly onConnect: () => void;
      }) => Socket;
      readonly sasl: object | null;
      readonly requestTimeout: number;
      readonly connectionTimeout: number;
      readonly enforceRequestTimeout: boolean;
      readonly reauthenticationThreshold: number;
    });
    /** ms, a Long; 0: for ever. */
    readonly sessionLifetime: { toString(): string };
    connect(): Promise<boolean>;
    authenticate(): Promise<void>;
    send(protocol: Protocol): Promise<Buffer>;
    setVersions(versions: Record<number, { minVersion: number; maxVersion: number }>): void;
    setSupportAuthenticationProtocol(supported: boolean): void;
    rejectRequests(error: Error): void;
    disconnect(): Promise<boolean>;
  }
  export = Connection;
}

declare module "kafkajs/src/network/requestQueue/index.js" {
  class RequestQueue {
    readonly pending: readonly unknown[];
    scheduleCheckPendingRequests(): void;
  }
  export = RequestQueue;
}

declare module "lz4js" {
  /** @returns the index in `target` after the last byte written */
  export function decompressBlock(
    source: Uint8Array,
    target: Uint8Array,
    sourceIndex: number,
    sourceLength: number,
    targetIndex: number,
  ): number;
}

declare module "snappyjs" {
  export function uncompress(compressed: Buffer, maxLength: number): Buffer;
}
