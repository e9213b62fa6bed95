import process from 'node:process';

import type { Json } from './client.ts';
import { CliError, type ExitCode, EXIT } from './exit-codes.ts';

export interface Column {
  readonly title: string;
  readonly value: (item: Json) => unknown;
}

/** What people wrote must not move the cursor, or turn the direction, of whoever decides about it. */
const harmless = (text: string): string =>
  text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu, (character) =>
    character === '\n' ? '\\n' : `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );

const cell = (value: unknown): string => {
  if (value === null || value === undefined || value === '') return '–';
  return harmless(typeof value === 'string' ? value : JSON.stringify(value));
};

/** Where commands print; `--json` makes every one of them print JSON and nothing else on standard output. */
export class Output {
  readonly json: boolean;

  constructor(json: boolean) {
    this.json = json;
  }

  /** One object or list as JSON. */
  data(value: unknown): void {
    process.stdout.write(`${JSON.stringify(value)}\n`);
  }

  line(text: string): void {
    process.stdout.write(`${harmless(text)}\n`);
  }

  /** For the person at the terminal; never part of the result. */
  note(text: string): void {
    process.stderr.write(`${text.split('\n').map(harmless).join('\n')}\n`);
  }

  table(items: readonly Json[], columns: readonly Column[]): void {
    if (this.json) {
      this.data(items);
      return;
    }
    const rows = items.map((item) => columns.map(({ value }) => cell(value(item))));
    const header = columns.map(({ title }) => title);
    // Not the maximum of so many arguments: a list may have more than a call can.
    const widths = header.map(({ length }) => length);
    for (const row of rows)
      for (const [at, { length }] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, length);
    for (const row of [header, ...rows]) {
      this.line(row.map((text, at) => (at === row.length - 1 ? text : text.padEnd(widths[at] ?? 0))).join('  '));
    }
    if (items.length === 0) this.note('(none)');
  }

  /** One thing, a line for each of its fields; those without a value are left out. For people: with `--json`, print data. */
  fields(fields: Readonly<Record<string, unknown>>): void {
    const known = Object.entries(fields).filter(([, value]) => value !== null && value !== undefined && value !== '');
    const width = Math.max(...known.map(([name]) => name.length));
    for (const [name, value] of known) this.line(`${name.padEnd(width)}  ${cell(value)}`);
  }

  failure(error: unknown): ExitCode {
    const known = error instanceof CliError ? error : undefined;
    const message = known?.message ?? `Unexpected: ${error instanceof Error ? error.message : String(error)}`;
    if (this.json) {
      this.data({ error: { message, hint: known?.hint, ...known?.problem } });
    } else {
      this.note(`sallyport: ${message}`);
      if (known?.hint !== undefined) this.note(`  ${known.hint}`);
    }
    return known?.exitCode ?? EXIT.failed;
  }
}
