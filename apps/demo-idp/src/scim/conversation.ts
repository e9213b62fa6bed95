import { DemoIdpError } from '../errors.ts';
import { type ScimAnswer, type ScimConnection, type ScimTransport, sendScim } from './client.ts';
import type { JsonObject, ScimDialect, ScimRequest } from './dialect.ts';

/** The target and dialect of one provisioning action, fixed at its start, with the status of the last answer. */
export class ScimConversation {
  readonly dialect: ScimDialect;
  readonly #transport: ScimTransport;
  readonly #target: Pick<ScimConnection, 'baseUrl' | 'token'>;
  #lastStatus: number | null = null;

  constructor(transport: ScimTransport, dialect: ScimDialect, target: Pick<ScimConnection, 'baseUrl' | 'token'>) {
    this.dialect = dialect;
    this.#transport = transport;
    this.#target = target;
  }

  /** Status of the last answer; null = none came, or nothing had to be sent. */
  get lastStatus(): number | null {
    return this.#lastStatus;
  }

  /**
   * Sends a request and demands one of these statuses.
   * @throws SCIM_FAILED with the target's own explanation otherwise.
   */
  async send(request: ScimRequest, expected: readonly number[]): Promise<ScimAnswer> {
    const headers = this.dialect.headers(request.method);
    const answer = await sendScim(this.#transport, { ...this.#target, headers }, request);
    this.#lastStatus = answer.status;
    if (answer.status === null || !expected.includes(answer.status)) {
      throw new DemoIdpError('SCIM_FAILED', `${request.method} ${request.path} ${explanation(answer)}`);
    }
    return answer;
  }

  /**
   * Reads a resource, merges into it and puts the whole of it back: Okta's way of updating.
   * @returns false when the resource is gone.
   */
  async replace(read: ScimRequest, merge: (current: JsonObject) => JsonObject): Promise<boolean> {
    const current = await this.send(read, [200, 404]);
    if (current.status === 404 || current.body === null) return false;
    const put = await this.send({ method: 'PUT', path: read.path, body: merge(current.body) }, [200, 204, 404]);
    return put.status !== 404;
  }

  /** The first match of a look-up; null = none. @throws SCIM_FAILED when the answer is not a list. */
  async findFirst(request: ScimRequest): Promise<(JsonObject & { id: string }) | null> {
    const answer = await this.send(request, [200]);
    const resources = answer.body?.['Resources'];
    if (!Array.isArray(resources)) throw new DemoIdpError('SCIM_FAILED', 'A look-up was answered without Resources.');
    const first: unknown = resources[0];
    return first === undefined ? null : withId(first);
  }
}

/** A returned resource, which must carry an id. @throws SCIM_FAILED */
export function withId(resource: unknown): JsonObject & { id: string } {
  if (typeof resource === 'object' && resource !== null && 'id' in resource && typeof resource.id === 'string') {
    return { ...resource, id: resource.id };
  }
  throw new DemoIdpError('SCIM_FAILED', 'The target returned a resource without an id.');
}

function explanation(answer: ScimAnswer): string {
  if (answer.status === null) return `got no answer (${answer.error ?? 'unknown failure'})`;
  const detail = answer.body?.['detail'];
  return `was answered ${String(answer.status)}${typeof detail === 'string' ? `: ${detail}` : ''}`;
}
