import { pino, type DestinationStream, type Logger as PinoLogger } from 'pino';

import { redactFields, redactText } from './redact.ts';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Writes one line: fields and message, or the message alone. An `Error` as fields becomes `err`. */
export interface LogMethod {
  (fields: object, message?: string): void;
  (message: string): void;
}

/** JSON lines with secrets removed. Fields and messages hold no personal data: ids, never names or addresses. */
export interface Logger {
  readonly level: LogLevel;
  readonly trace: LogMethod;
  readonly debug: LogMethod;
  readonly info: LogMethod;
  readonly warn: LogMethod;
  readonly error: LogMethod;
  readonly fatal: LogMethod;
  /** A logger that adds the fields to every line, for example `{ requestId }`. */
  child(fields: Readonly<Record<string, unknown>>): Logger;
}

export interface LoggerOptions {
  readonly service: string;
  /** Default `info`. */
  readonly level?: LogLevel;
  /** Where the lines go; default: standard output, synchronously, so that a crash loses none. */
  readonly destination?: DestinationStream;
}

const NOOP: LogMethod = () => undefined;

const method = (target: PinoLogger, level: Exclude<LogLevel, 'silent'>): LogMethod => {
  // Asked once: a level below the threshold costs one empty call, not a redaction.
  if (!target.isLevelEnabled(level)) return NOOP;
  return (fields: object | string, message?: string) => {
    if (typeof fields === 'string') target[level](redactText(fields));
    else target[level](redactFields(fields), message === undefined ? undefined : redactText(message));
  };
};

const wrap = (target: PinoLogger): Logger =>
  Object.freeze({
    level: target.level as LogLevel,
    trace: method(target, 'trace'),
    debug: method(target, 'debug'),
    info: method(target, 'info'),
    warn: method(target, 'warn'),
    error: method(target, 'error'),
    fatal: method(target, 'fatal'),
    child: (fields: Readonly<Record<string, unknown>>) => wrap(target.child(redactFields(fields))),
  });

/**
 * The logger of a process: one JSON object a line with `level` (word), `time` (RFC 3339), `service`, `msg`.
 * Everything passes the redaction of redact.ts.
 */
export const createLogger = (options: LoggerOptions): Logger => {
  const settings = {
    level: options.level ?? 'info',
    base: { service: options.service },
    timestamp: pino.stdTimeFunctions.isoTime,
    // Errors arrive here as plain fields already.
    serializers: { err: (value: unknown) => value },
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return wrap(pino(settings, options.destination ?? pino.destination({ fd: 1, sync: true })));
};

/** A logger that writes nothing: for tests and tools. */
export const silentLogger = (): Logger => createLogger({ service: 'silent', level: 'silent' });
