import { relative } from 'node:path';
import type { Constellation, ConstellationEvent } from '@sallyport/dev-env';

/** Writes one line for the person at the terminal. */
export type Print = (line: string) => void;

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
const row = (label: string, value: string): string => `  ${label.padEnd(18)}${value}`;

type Kind = ConstellationEvent['kind'];
type EventOf<K extends Kind> = Extract<ConstellationEvent, { readonly kind: K }>;

const LINES: { readonly [K in Kind]: (event: EventOf<K>) => string | null } = {
  step: ({ step, tookMs }) => row(step, `ready after ${seconds(tookMs)}`),
  ready: ({ name, tookMs, restarts }) => (restarts === 0 ? null : `${name} is back after ${seconds(tookMs)}.`),
  crashed: ({ name, how, restartInMs }) =>
    `${name} stopped unexpectedly (${how}); restarting in ${seconds(restartInMs)}.`,
  'gave-up': ({ name, crashes, logFile }) =>
    `${name} stopped ${crashes} times in a row and is not restarted any more; its log is ${logFile}.`,
  'leftover-ended': ({ name, pid }) => `Ended ${name} (process ${pid}), left over from an earlier run.`,
  log: ({ name, level, message }) => `${name} ${level}: ${message}`,
};

/** The line a person should see for an event; `null` when there is nothing to say. */
export function lineOf<K extends Kind>(event: EventOf<K>): string | null {
  return LINES[event.kind](event);
}

/** Tells the person at the terminal what happens. */
export interface Reporter {
  report(event: ConstellationEvent): void;
  /** Whether warnings and errors the processes log are shown; at first they are not. */
  showLogs(shown: boolean): void;
}

/**
 * Prints events as they come. What processes log while they start or stop is only in their logs:
 * peers that are not there yet, or no longer, are no news. A line said twice in a row is said once.
 */
export function createReporter(print: Print): Reporter {
  const state = { showsLogs: false, last: '' };
  return {
    report(event) {
      if (event.kind === 'log' && !state.showsLogs) return;
      const line = lineOf(event);
      if (line === null || line === state.last) return;
      state.last = line;
      print(line);
    },
    showLogs(shown) {
      state.showsLogs = shown;
    },
  };
}

/** Addresses, how to sign in and a first thing to try. */
export function welcome({ origin, bootstrap, stateDir, startedInMs }: Constellation, from: string): string[] {
  const state = relative(from, stateDir);
  const shownState = state === '' || state.startsWith('..') ? stateDir : state;
  const { owner, organization, idp, policy, flags, oidc } = bootstrap;
  const [environment = ''] = Object.keys(flags.environmentKeys);
  return [
    '',
    `Sallyport is ready after ${seconds(startedInMs)}.`,
    '',
    row('Sign in', `${origin}/login  (organisation ${organization.slug}, ${owner.email})`),
    row('Demo IdP', idp.url),
    row('SCIM 2.0', bootstrap.scim.baseUrl),
    row('OpenID Provider', oidc.issuer),
    row('SAML metadata', bootstrap.saml.metadataUrl),
    row('AuthZEN', `${policy.authzenUrl}/access/v1/evaluation`),
    row('OFREP', `${flags.ofrepUrl}/ofrep/v1/evaluate/flags`),
    row('gRPC decisions', policy.grpc),
    row('Secrets', `${shownState}/bootstrap.json  (passwords, tokens, keys)`),
    row('Logs', `${shownState}/logs`),
    '',
    `Try this first: at ${origin}/login sign in as dana@acme.example (the demo IdP asks no password),`,
    `then deactivate Dana at ${idp.url} and reload: she is out.`,
    'Or ask for a flag:',
    `  curl -s -X POST ${flags.ofrepUrl}/ofrep/v1/evaluate/flags/new-checkout -H 'content-type: application/json' \\`,
    `    -H 'authorization: Bearer <flags.environmentKeys.${environment} of bootstrap.json>' -d '{"context":{"targetingKey":"me"}}'`,
    '',
    'Ctrl-C stops everything; the data stays for the next start.',
  ];
}
