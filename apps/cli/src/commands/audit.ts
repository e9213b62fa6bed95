import { createReadStream, createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';

import { Command, Option } from 'commander';

import type { Client, Json, Page } from '../client.ts';
import type { Output } from '../output.ts';
import { EXIT } from '../exit-codes.ts';
import type { SessionOf } from '../run.ts';
import { verifyExport } from '../verify/verify-export.ts';

const POLL_MS = 1_000;
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

const newest = async (client: Client, service: string, limit: number): Promise<Json[]> => {
  const page = await client.get<Page<Json>>(`/api/${service}/v1/audit`, { order: 'newest-first', limit });
  return [...page.items].reverse();
};

const follow = async (
  client: Client,
  service: string,
  lastIndex: number,
  print: (record: Json) => void,
): Promise<never> => {
  let last = lastIndex;
  for (;;) {
    await pause(POLL_MS);
    const fresh = await newest(client, service, 200);
    for (const record of fresh.filter((item) => Number(item['index']) > last)) {
      print(record);
      last = Number(record['index']);
    }
  }
};

const tailCommand = (sessionOf: SessionOf): Command =>
  new Command('tail')
    .description('Shows the newest entries.')
    .addOption(serviceOption())
    .option('--lines <number>', 'how many', '20')
    .option('--follow', 'go on with new ones', false)
    .action(async (options: { service: string; lines: string; follow: boolean }, command: Command) => {
      const { output, client: open } = sessionOf(command);
      const client = open();
      const print = (record: Json): void => {
        printRecord(output, record);
      };
      const records = await newest(client, options.service, Number(options.lines));
      records.forEach(print);
      if (options.follow) await follow(client, options.service, Number(records.at(-1)?.['index'] ?? -1), print);
    });

const exportCommand = (sessionOf: SessionOf): Command =>
  new Command('export')
    .description('Writes the whole log as JSON Lines, with the exact leaf of every entry.')
    .addOption(serviceOption())
    .option('--out <file>', 'file to write; default standard output')
    .action(async (options: { service: string; out?: string }, command: Command) => {
      const { output, client } = sessionOf(command);
      const body = await client().stream(`/api/${options.service}/v1/audit/export`);
      const file = options.out === undefined ? process.stdout : createWriteStream(options.out, { mode: 0o600 });
      let bytes = 0;
      for await (const chunk of body) {
        bytes += chunk.length;
        if (!file.write(chunk)) await once(file, 'drain');
      }
      if (options.out === undefined) return;
      file.end();
      await once(file, 'finish');
      output.note(`${String(bytes)} bytes written to ${options.out}`);
    });

/** `audit verify`: exit code 0 when the file is whole, 1 with the first divergence. Needs no server. */
const verifyCommand = (sessionOf: SessionOf): Command =>
  new Command('verify')
    .description('Verifies an exported log on this machine, without asking the server.')
    .argument('<file>', 'a file written by "audit export"')
    .action(async (file: string, _options: object, command: Command) => {
      const { output, exit } = sessionOf(command);
      const result = await verifyExport(createInterface({ input: createReadStream(file), crlfDelay: Infinity }));
      if (output.json) output.data(result);
      else if (result.finding === undefined) {
        output.line(`VERIFIED  ${String(result.entries)} entries of ${result.origin ?? 'an empty log'}`);
        if (result.first !== undefined)
          output.line(`  indexes ${result.first} to ${result.last ?? ''}, ${String(result.openings)} personal values`);
      } else {
        const { divergence, index, detail } = result.finding;
        output.line(`TAMPERED  at index ${index}: ${divergence} (${detail})`);
      }
      if (result.finding !== undefined) exit(EXIT.failed);
    });

export const auditCommand = (sessionOf: SessionOf): Command =>
  new Command('audit')
    .description('The audit log.')
    .addCommand(tailCommand(sessionOf))
    .addCommand(exportCommand(sessionOf))
    .addCommand(verifyCommand(sessionOf));
