import { join } from 'node:path';
import { z } from 'zod';
import { readJsonIfThere, writePrivateFile } from '../files.ts';
import { freePort, isPortFree } from '../ports.ts';

const PORT_NAMES = [
  'public',
  'idp',
  'postgres',
  'identityHttp',
  'identityGrpc',
  'policyHttp',
  'policyGrpc',
  'flagsHttp',
  'flagsGrpc',
] as const;

/** What listens on a port of its own on 127.0.0.1. */
export type PortName = (typeof PORT_NAMES)[number];

/** The ports of one constellation. */
export type Ports = Readonly<Record<PortName, number>>;

const port = z.int().min(1).max(65_535);
const remembered = z.partialRecord(z.enum(PORT_NAMES), port);

/** Asked-for ports; the others are remembered from the last start where still free, else chosen anew. */
export type WantedPorts = Partial<Record<PortName, number>>;

/**
 * Chooses a port for everything that listens, all distinct. A port in `fixed` is taken as it is (its
 * owner reports when it is in use), one in `preferred` only when it is free. The choice is remembered,
 * so that addresses stay the same from start to start.
 */
export async function choosePorts(stateDir: string, fixed: WantedPorts, preferred: WantedPorts = {}): Promise<Ports> {
  const file = join(stateDir, 'ports.json');
  const known: WantedPorts = remembered.safeParse(readJsonIfThere(file)).data ?? {};
  const taken = new Set<number>(Object.values(fixed));
  const chosen = new Map<PortName, number>(
    PORT_NAMES.flatMap((name) => (fixed[name] === undefined ? [] : [[name, fixed[name]]])),
  );
  for (const name of PORT_NAMES) {
    if (chosen.has(name)) continue;
    const candidates = [known[name], preferred[name]];
    const found = await firstFree(candidates, taken);
    taken.add(found);
    chosen.set(name, found);
  }
  const ports = Object.fromEntries(chosen) as Ports;
  writePrivateFile(file, `${JSON.stringify(ports, undefined, 2)}\n`);
  return ports;
}

async function firstFree(candidates: readonly (number | undefined)[], taken: ReadonlySet<number>): Promise<number> {
  for (const candidate of candidates) {
    if (candidate !== undefined && !taken.has(candidate) && (await isPortFree(candidate))) return candidate;
  }
  for (;;) {
    const found = await freePort();
    if (!taken.has(found)) return found;
  }
}
