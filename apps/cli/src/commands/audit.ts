import { open } from 'node:fs/promises';
import process from 'node:process';
import { pipeline } from 'node:stream/promises';
import { setTimeout as pause } from 'node:timers/promises';

import { Command, InvalidArgumentError, Option } from 'commander';

import type { Client, Json } from '../client.ts';
import type { Output } from '../output.ts';
import { EXIT } from '../exit-codes.ts';
import type { SessionOf } from '../run.ts';
import { verifyExport, type Verification } from '../verify/verify-export.ts';
import { notDone, writeWhole } from './write-whole.ts';

const POLL_MS = 1_000;
const PAGE_LINES = 500;
const SERVICES = ['identity', 'policy', 'flags'];

const serviceOption = (): Option =>
  new Option('--service <service>', 'whose log').choices(SERVICES).makeOptionMandatory();

const entryOf = (record: Json): Json => record['entry'] as Json;

const printRecord = (output: Output, record: Json): void => {
  if (output.json) {
    output.data(record);
    return;
  }
  const entry = entryOf(record);
  const actor = entry['actor'] as Json;
  const target = entry['target'] as Json;
  const reason = typeof entry['reason'] === 'string' ? `: ${entry['reason']}` : '';
  const outcome = entry['outcome'] === 'success' ? '' : ` [${String(entry['outcome'])}${reason}]`;
  const who = `${String(actor['type'])}:${String(actor['id'])}`;
  const what = `${String(entry['action'])} ${String(target['type'])}:${String(target['id'])}`;
  output.line(`${String(record['index']).padStart(6)}  ${String(entry['occurred_at'])}  ${who}  ${what}${outcome}`);
};

const indexOf = (record: Json): bigint => BigInt(String(record['index']));

/** Entries above an index, at most so many, oldest first: pages are read from the newest back as far as needed. */
const newest = async (
  client: Client,
  service: string,
  { above, lines }: { readonly above: bigint; readonly lines: number },
): Promise<Json[]> => {
  const records: Json[] = [];
  const query = { order: 'newest-first', limit: Math.min(lines, PAGE_LINES) };
  for await (const record of client.all(`/api/${service}/v1/audit`, query)) {
    if (indexOf(record) <= above) break;
    records.push(record);
    if (records.length === lines) break;
  }
  return records.reverse();
};

const follow = async (
  client: Client,
  service: string,
  lastIndex: bigint,
  print: (record: Json) => void,
): Promise<never> => {
  let last = lastIndex;
  for (;;) {
    await pause(POLL_MS);
    for (const record of await newest(client, service, { above: last, lines: Number.POSITIVE_INFINITY })) {
      print(record);
      last = indexOf(record);
    }
  }
};

const countOf = (text: string): number => {
  if (/^[1-9][0-9]{0,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Give a number of lines from 1 to 999999.');
};

const tailCommand = (sessionOf: SessionOf): Command =>
  new Command('tail')
    .description('Shows the newest entries.')
    .addOption(serviceOption())
    .option('--lines <number>', 'how many', countOf, 20)
    .option('--follow', 'go on with new ones', false)
    .action(async (options: { service: string; lines: number; follow: boolean }, command: Command) => {
      const { output, client: open } = sessionOf(command);
      const client = open();
      const print = (record: Json): void => {
        printRecord(output, record);
      };
      const records = await newest(client, options.service, { above: -1n, lines: options.lines });
      records.forEach(print);
      const last = records.at(-1);
      if (options.follow) await follow(client, options.service, last === undefined ? -1n : indexOf(last), print);
    });

const exportCommand = (sessionOf: SessionOf): Command =>
  new Command('export')
    .description('Writes the whole log as JSON Lines, with the exact leaf of every entry.')
    .addOption(serviceOption())
    .option('--out <file>', 'file to write; default standard output')
    .action(async ({ service, out }: { service: string; out?: string }, command: Command) => {
      const { output, client } = sessionOf(command);
      const body = await client().stream(`/api/${service}/v1/audit/export`);
      if (out === undefined) {
        await pipeline(body, process.stdout, { end: false });
        return;
      }
      const bytes = await writeWhole(body, out);
      if (output.json) output.data({ file: out, bytes });
      else output.note(`${String(bytes)} bytes written to ${out}`);
    });

const indexArgument = (text: string): bigint => {
  if (/^(0|[1-9][0-9]{0,17})$/.test(text)) return BigInt(text);
  throw new InvalidArgumentError('Give the index of an entry.');
};

const readLog = async (file: string, from: bigint): Promise<Verification> => {
  try {
    const handle = await open(file);
    return await verifyExport(handle.readLines(), from);
  } catch (error) {
    throw notDone(`${file} cannot be read`, error);
  }
};

const printVerification = (output: Output, { finding, origin, entries, first, last, openings }: Verification): void => {
  if (finding !== undefined) {
    output.line(`TAMPERED  at index ${finding.index}: ${finding.divergence} (${finding.detail})`);
    return;
  }
  if (entries === 0) {
    output.line('EMPTY     the file holds no entry: nothing is verified');
    return;
  }
  output.line(`VERIFIED  ${String(entries)} entries of ${origin ?? ''}`);
  output.line(`  indexes ${first ?? ''} to ${last ?? ''}, ${String(openings)} personal values`);
};

/** `audit verify`: exit code 0 when the file is whole, 1 with the first divergence. Needs no server. */
const verifyCommand = (sessionOf: SessionOf): Command =>
  new Command('verify')
    .description('Verifies an exported log on this machine, without asking the server.')
    .argument('<file>', 'a file written by "audit export"')
    .option('--from <index>', 'the index the file must begin at', indexArgument, 0n)
    .action(async (file: string, { from }: { from: bigint }, command: Command) => {
      const { output, exit } = sessionOf(command);
      const result = await readLog(file, from);
      if (output.json) output.data(result);
      else printVerification(output, result);
      if (result.finding !== undefined || result.entries === 0) exit(EXIT.failed);
    });

export const auditCommand = (sessionOf: SessionOf): Command =>
  new Command('audit')
    .description('The audit log.')
    .addCommand(tailCommand(sessionOf))
    .addCommand(exportCommand(sessionOf))
    .addCommand(verifyCommand(sessionOf));
