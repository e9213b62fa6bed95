/** One line of a child's log that a person at the terminal should see. */
export interface Notable {
  readonly level: 'warn' | 'error';
  readonly message: string;
}

const MAX_MESSAGE = 200;

/**
 * What a log line of a child means to the person at the terminal: our services write JSON with a
 * `level`, of which warnings and errors are notable; anything else (a stack trace, a complaint of
 * Node itself) is notable by its first line. `null`: nothing to see.
 */
export function notableLine(line: string): Notable | null {
  const trimmed = line.trim();
  if (trimmed === '') return null;
  const record = parseRecord(trimmed);
  if (record === null) return isNoise(line) ? null : { level: 'error', message: shorten(trimmed) };
  const level = levelOf(record['level']);
  if (level === null) return null;
  const parts = [record['msg'], messageOf(record['err'])].filter((part) => typeof part === 'string' && part !== '');
  return { level, message: shorten([...new Set(parts)].join(': ')) };
}

/** Out of the last lines of a log, the one that most likely says why the program ended. */
export function lastWords(lines: readonly string[]): string | null {
  const notable = lines.flatMap((line) => notableLine(line) ?? []).filter(({ level }) => level === 'error');
  const error = notable.findLast(({ message }) => /^([A-Z]\w*)?(Error|Exception)\b/.test(message));
  return (error ?? notable.at(-1))?.message ?? null;
}

function parseRecord(line: string): Readonly<Record<string, unknown>> | null {
  if (!line.startsWith('{')) return null;
  try {
    return JSON.parse(line) as Readonly<Record<string, unknown>>;
  } catch {
    return null;
  }
}

function levelOf(level: unknown): 'warn' | 'error' | null {
  if (level === 'warn' || level === 40) return 'warn';
  if (level === 'error' || level === 'fatal' || level === 50 || level === 60) return 'error';
  return null;
}

function messageOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'message' in error ? error.message : undefined;
}

/** The inner lines of a stack trace, of source excerpts and of error properties repeat what the first line says. */
function isNoise(line: string): boolean {
  return /^(\s|node:|file:|Node\.js v|[{}()[\];]+$|\(Use `node)/.test(line);
}

function shorten(message: string): string {
  const [first = ''] = message.split('\n');
  return first.length > MAX_MESSAGE ? `${first.slice(0, MAX_MESSAGE - 1)}…` : first;
}
