import { createReadStream } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

import { Command } from 'commander';

import type { Client, Json } from '../client.ts';
import { CliError, EXIT } from '../exit-codes.ts';
import type { SessionOf } from '../run.ts';

const CONNECTIONS = '/api/identity/v1/connections';
const POLL_MS = 250;

interface Report extends Json {
  readonly id: string;
  readonly state: string;
  readonly failure: string | null;
  readonly findings: number;
}

interface DriftOptions {
  readonly usersOnly: boolean;
  readonly values: boolean;
}

/** By id or by name. */
const findConnection = async (client: Client, named: string): Promise<string> => {
  for await (const { id, name } of client.all<{ id: string; name: string }>(CONNECTIONS))
    if (id === named || name === named) return id;
  throw new CliError(EXIT.notFound, `There is no connection "${named}".`);
};

const settled = async (client: Client, path: string): Promise<Report> => {
  for (;;) {
    const report = await client.get<Report>(path);
    if (report.state === 'complete') return report;
    if (report.state === 'failed')
      throw new CliError(EXIT.failed, `The report could not be made: ${report.failure ?? 'unknown'}.`);
    await pause(POLL_MS);
  }
};

const textOf = (value: unknown): string => (value === undefined || value === null ? '' : JSON.stringify(value));

/** `drift <connection> <file>`: what the identity provider has, beside what is held here. */
export const driftCommand = (sessionOf: SessionOf): Command =>
  new Command('drift')
    .description('Compares a read-back of the identity provider with what is held here; changes nothing.')
    .argument('<connection>', 'its name or id')
    .argument('<file>', 'JSON Lines: {"user": {…}} or {"group": {…}}, as SCIM has them')
    .option('--users-only', 'leave groups out', false)
    .option('--values', 'show both values of what differs', false)
    .action(async (named: string, file: string, { usersOnly, values }: DriftOptions, command: Command) => {
      const session = sessionOf(command);
      const client = session.client();
      const base = `${CONNECTIONS}/${await findConnection(client, named)}/drift-reports`;
      const query = usersOnly ? { compare: 'users' } : {};
      const begun = await client.upload<Report>(base, createReadStream(file), query);
      const path = `${base}/${begun.id}`;
      const report = await settled(client, path);
      const findings = await Array.fromAsync(client.all(`${path}/findings`, values ? { values: 'true' } : {}));
      session.output.table(findings, [
        { title: 'finding', value: (finding) => finding['kind'] },
        { title: 'name', value: (finding) => finding['name'] },
        { title: 'attribute', value: (finding) => finding['attribute'] },
        { title: 'member', value: (finding) => finding['memberName'] },
        ...(values
          ? [
              { title: 'here', value: (finding: Json) => textOf(finding['here']) },
              { title: 'there', value: (finding: Json) => textOf(finding['there']) },
            ]
          : []),
      ]);
      if (report.findings > 0) session.exit(EXIT.failed);
    });
