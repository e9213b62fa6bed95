import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import type { DevCertificate } from '@sallyport/dev-env';

import type { AnswerFormat } from './answers.ts';

/** What the load generator does in one go. */
export interface Job {
  readonly port: number;
  readonly path: string;
  readonly serverName: string;
  readonly certificate: Pick<DevCertificate, 'caFile' | 'certFile' | 'keyFile'>;
  /** Encoded once: what is measured is the server. */
  readonly messages: readonly Uint8Array[];
  /** Whether each question of each message is to be allowed. */
  readonly answers: readonly (readonly boolean[])[];
  readonly format: AnswerFormat;
  readonly calls: number;
  /** Calls on their way at the same time, over four connections. */
  readonly concurrency: number;
}

export interface JobResult {
  readonly callsPerSecond: number;
  readonly wrong: number;
  readonly firstWrong: string;
}

/** A server that is asked, and where its processor time is to be read. */
export interface Contender {
  readonly name: string;
  readonly pid: number;
  readonly target: Omit<Job, 'messages' | 'answers' | 'format' | 'calls' | 'concurrency' | 'path'>;
}

export type Questions = Pick<Job, 'path' | 'messages' | 'answers' | 'format'>;

/** What one round showed. */
export interface Round {
  readonly callsPerSecond: number;
  /** Processor time of the server process, all threads; µs. */
  readonly cpuUsPerCall: number;
}

const MAIN = fileURLToPath(new URL('./load-main.ts', import.meta.url));
const TICK_US = 10_000;

/** Of a process of any kind; proc(5): fields 14 and 15 of /proc/<pid>/stat, in ticks of 10 ms. */
const cpuUs = (pid: number): number => {
  const stat = readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_US;
};

export interface LoadGenerator {
  run(contender: Contender, questions: Questions, load: Pick<Job, 'calls' | 'concurrency'>): Promise<Round>;
  close(): Promise<void>;
}

/** Starts the one process all contenders are asked by. */
export const startLoadGenerator = async (): Promise<LoadGenerator> => {
  const child = fork(MAIN, { serialization: 'advanced' });
  await once(child, 'message');
  return {
    run: async ({ name, pid, target }, questions, load) => {
      const before = cpuUs(pid);
      child.send({ ...target, ...questions, ...load });
      const [result] = (await once(child, 'message')) as [JobResult];
      if (result.wrong > 0) throw new Error(`${name}: ${String(result.wrong)} wrong answers, ${result.firstWrong}`);
      return { callsPerSecond: result.callsPerSecond, cpuUsPerCall: (cpuUs(pid) - before) / load.calls };
    },
    close: async () => {
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
    },
  };
};
