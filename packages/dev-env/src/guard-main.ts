// Runs as a process of its own: outlives the process that started it by as long as it takes to end
// what that one left behind. Reads one JSON message a line; the end of its input is the death of its owner.
import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { GuardMessage } from './guard.ts';
import { endProcess, type ProcessIdentity, type SignalStep } from './processes.ts';

const processes = new Map<number, { identity: ProcessIdentity; steps: readonly SignalStep[] }>();
const directories = new Set<string>();

// The owner's terminal may signal the whole group: the guard ends only after its work.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);

for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line) as GuardMessage;
  if (message.kind === 'process') processes.set(message.identity.pid, message);
  if (message.kind === 'process-gone') processes.delete(message.pid);
  if (message.kind === 'directory') directories.add(message.path);
  if (message.kind === 'directory-gone') directories.delete(message.path);
}

// Newest first: whatever was started later depends on what was started before it.
for (const { identity, steps } of [...processes.values()].toReversed()) await endProcess(identity, steps);
for (const path of directories) rmSync(path, { recursive: true, force: true, maxRetries: 3 });
