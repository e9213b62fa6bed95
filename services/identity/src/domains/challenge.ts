import { Resolver } from 'node:dns/promises';

/** Where the record of a domain is looked for. */
export const recordNameOf = (domain: string): string => `_sallyport-challenge.${domain}`;

/** What it has to say. */
export const recordValueOf = (challenge: string): string => `sallyport-challenge=${challenge}`;

/** What DNS says about a claim: proven, or why not. */
export type DomainProof = 'PROVEN' | 'ABSENT' | 'DIFFERENT' | 'UNREACHABLE';

/** Looks for a record; every resolver asked is a question of its own. */
export interface ChallengeLookup {
  (domain: string, challenge: string): Promise<DomainProof>;
}

const TIMEOUT_MS = 2_000;
const TRIES = 2;
/** Answers that say there is no such record; everything else is no answer. */
const NO_RECORD: ReadonlySet<unknown> = new Set(['ENOTFOUND', 'ENODATA']);

const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : undefined);

/** Asks one resolver, or those of the operating system in their order. Nothing is kept from one question to the next. */
const ask = async (server: string | null, name: string, value: string): Promise<DomainProof> => {
  const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: TRIES });
  if (server !== null) resolver.setServers([server]);
  try {
    // A text longer than 255 bytes comes in pieces (RFC 1035 §3.3.14); a name may have records of others besides.
    const records = (await resolver.resolveTxt(name)).map((pieces) => pieces.join('').trim());
    return records.includes(value) ? 'PROVEN' : 'DIFFERENT';
  } catch (error) {
    return NO_RECORD.has(codeOf(error)) ? 'ABSENT' : 'UNREACHABLE';
  }
};

/**
 * Makes the look-up over these resolvers. A domain is proven when one of them found the record and none that answered
 * did not: whoever poisons one resolver proves nothing.
 */
export const challengeLookup =
  (servers: readonly string[]): ChallengeLookup =>
  async (domain, challenge) => {
    const asked = servers.length === 0 ? [null] : servers;
    const [name, value] = [recordNameOf(domain), recordValueOf(challenge)];
    return judge(await Promise.all(asked.map((server) => ask(server, name, value))));
  };

/** The answer of all: a doubt counts, silence does not unless there is nothing else. */
export const judge = (answers: readonly DomainProof[]): DomainProof => {
  for (const doubt of ['DIFFERENT', 'ABSENT'] as const) if (answers.includes(doubt)) return doubt;
  return answers.includes('PROVEN') ? 'PROVEN' : 'UNREACHABLE';
};
