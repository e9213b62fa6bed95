import { timed } from '../scim/calls.ts';
import { assertionForm } from './assertion.ts';
import { REDIRECT_URI, type Code, type Contender, type Cost, type SecretClient } from './contender.ts';

const TOKENS = 1_280;
const CODES = 320;
const WARM_UPS = 4;
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

const basic = ({ id, secret }: SecretClient): Record<string, string> => ({
  ...FORM,
  authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`,
});

interface Tokens {
  readonly access_token: string;
  readonly refresh_token?: string;
}

/** The token endpoint of one side, as applications and machines use it; every figure is tokens a second. */
export class TokenEndpoint {
  /** That ask at the same time, each for one token after the other. */
  readonly clients: number;
  readonly #side: Contender;
  #refreshTokens: string[] = [];
  #cost: Cost = { process: Number.NaN, database: Number.NaN };

  constructor(side: Contender, clients: number) {
    this.#side = side;
    this.clients = clients;
  }

  /** Until both sides run as they do all day: what a process is slower at in its first seconds is not compared. */
  async warmUp(): Promise<void> {
    for (let round = 0; round < WARM_UPS; round += 1) {
      await this.bySecret();
      await this.byKey();
      await this.byCode();
      await this.byRefresh();
      // The memory adapter keeps 1,000 things: what was not used for a while is gone there.
      this.#refreshTokens = [];
    }
  }

  /** RFC 6749 §4.4 with a secret in the header (§2.3.1). */
  async bySecret(): Promise<number> {
    const headers = basic(this.#side.machine);
    return await this.#rate(TOKENS, async () => {
      await this.#ask(headers, 'grant_type=client_credentials');
    });
  }

  /** RFC 6749 §4.4 with an assertion (RFC 7523), signed beforehand, each used once. */
  async byKey(): Promise<number> {
    const { workload, issuer } = this.#side;
    const forms = Array.from({ length: TOKENS }, () => assertionForm(workload.id, issuer, workload.key));
    return await this.#rate(TOKENS, async () => {
      await this.#ask(FORM, forms.pop() ?? '');
    });
  }

  /** RFC 6749 §4.1.3 with PKCE: a code for an access token, a refresh token and a signed ID token. */
  async byCode(): Promise<number> {
    const codes = await this.#side.codes(CODES);
    return await this.#rate(CODES, async () => {
      await this.#redeem(codes.pop());
    });
  }

  /** RFC 6749 §6, rotated: every refresh token is used up by the next. */
  async byRefresh(): Promise<number> {
    if (this.#refreshTokens.length === 0) {
      const codes = await this.#side.codes(this.clients);
      for (const code of codes) this.#refreshTokens.push((await this.#redeem(code)).refresh_token ?? '');
    }
    const headers = basic(this.#side.application);
    return await this.#rate(TOKENS, async (lane) => {
      const form = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: this.#refreshTokens[lane] ?? '' });
      this.#refreshTokens[lane] = (await this.#ask(headers, form.toString())).refresh_token ?? '';
    });
  }

  /** CPU time a token has cost in the last run; ms. */
  get cost(): Cost {
    return this.#cost;
  }

  async #redeem(code: Code | undefined): Promise<Tokens> {
    const form = { grant_type: 'authorization_code', redirect_uri: REDIRECT_URI };
    const proof = { code: code?.code ?? '', code_verifier: code?.verifier ?? '' };
    return await this.#ask(basic(this.#side.application), new URLSearchParams({ ...form, ...proof }).toString());
  }

  async #ask(headers: Record<string, string>, form: string): Promise<Tokens> {
    const { client, tokenPath } = this.#side;
    const { status, text } = await client.send('POST', tokenPath, headers, form);
    if (status !== 200) throw new Error(`the token endpoint answered ${String(status)} ${text}`);
    return JSON.parse(text) as Tokens;
  }

  async #rate(count: number, work: (lane: number) => Promise<void>): Promise<number> {
    let left = count;
    const before = await this.#side.cpuMs();
    const ms = await timed(async () => {
      const lane = async (_: unknown, number: number): Promise<void> => {
        while (left > 0) {
          left -= 1;
          await work(number);
        }
      };
      await Promise.all(Array.from({ length: this.clients }, lane));
    });
    const after = await this.#side.cpuMs();
    this.#cost = {
      process: (after.process - before.process) / count,
      database: (after.database - before.database) / count,
    };
    return (count * 1_000) / ms;
  }
}
