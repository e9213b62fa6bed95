import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';

import { verifyExport } from '@sallyport/cli/verify';
import type { Bootstrap } from '@sallyport/dev-env';

import { claim } from './stage.ts';

/** Exports the audit log of every service and verifies what came, without asking the server anything more. */
export const verifyLogs = async (bootstrap: Bootstrap, token: string): Promise<string> => {
  const counts: string[] = [];
  for (const service of ['identity', 'policy', 'flags']) {
    const response = await fetch(`${bootstrap.origin}/api/${service}/v1/audit/export`, {
      headers: { authorization: `Bearer ${token}` },
    });
    claim(response.ok, `${service}: ${String(response.status)}`);
    const input = Readable.from(Buffer.from(await response.arrayBuffer()));
    const { entries, finding } = await verifyExport(createInterface({ input }));
    claim(finding === undefined && entries > 0, `${service}: ${JSON.stringify(finding ?? 'no entries')}`);
    counts.push(`${service} ${String(entries)}`);
  }
  return `${counts.join(', ')} entries, whole`;
};
