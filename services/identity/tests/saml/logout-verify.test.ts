import assert from 'node:assert/strict';

import { createSelfSigned } from '@sallyport/dev-env';

import { SAML_REASONS } from '../../src/saml/reasons.ts';
import { looseKeyOf, readSubjectKey, subjectKeyOf } from '../../src/saml/logout/subject-key.ts';
import type { LogoutExpectations, LogoutVerdict } from '../../src/saml/verify/logout.ts';
import { verifyLogout } from '../../src/saml/verify/verify-logout.ts';
import { logoutCases, type HostileLogout } from './hostile-logout.ts';
import type { SigningKey } from './idp.ts';
import type { LogoutOptions } from './idp-logout.ts';
import { sentLogout } from './logout-scene.ts';

const NOW = Date.now();
const IDP = 'https://idp.example/saml';
const SLO = 'https://sp.example/saml/c1/slo';

describe('SAML logout messages in the strict layer', () => {
  let idp: SigningKey;
  let foreign: SigningKey;

  before(async () => {
    [idp, foreign] = await Promise.all([createSelfSigned('idp'), createSelfSigned('foreign')]);
  });

  const judge = (
    row: Omit<HostileLogout, 'name' | 'reason'>,
    over: Partial<LogoutExpectations> = {},
  ): LogoutVerdict => {
    const base: LogoutOptions = { now: NOW, issuer: IDP, destination: SLO, signing: { with: idp } };
    const expected = { idpEntityId: IDP, sloUrl: SLO, certificates: [idp.cert], nowMs: NOW, ...over };
    return verifyLogout(sentLogout(row, base, foreign), expected);
  };
  const accepted = (verdict: LogoutVerdict) => {
    if (!verdict.ok) assert.fail(`refused: ${verdict.reason} ${verdict.where ?? ''}`);
    return verdict;
  };

  describe('refuses', () => {
    for (const row of logoutCases) {
      it(`${row.name}: ${row.reason}`, () => {
        assert.ok((SAML_REASONS as readonly string[]).includes(row.reason));
        const verdict = judge(row);
        assert.equal(verdict.ok ? 'accepted' : verdict.reason, row.reason);
      });
    }

    it('everything where no certificate is usable', () => {
      for (const binding of ['post', 'redirect'] as const) {
        const verdict = judge({ binding }, { certificates: [] });
        assert.equal(verdict.ok ? 'accepted' : verdict.reason, 'NO_USABLE_CERTIFICATE');
      }
    });
  });

  for (const binding of ['post', 'redirect'] as const) {
    describe(`accepts by ${binding}`, () => {
      it('a request, read from what its signature covers', () => {
        const { logout } = accepted(judge({ binding, at: () => ({ sessionIndexes: ['_s1', '_s2'] }) }));
        if (logout.kind !== 'LogoutRequest') assert.fail(logout.kind);
        assert.equal(logout.nameId.value, '00u1');
        assert.deepEqual([logout.id, logout.issuer, logout.sessionIndexes], ['_l1', IDP, ['_s1', '_s2']]);
        assert.ok(logout.unusableFromMs > NOW + 660_000, 'the replay row outlives the message');
      });
      it('a request without an index, an end or a format', () => {
        const at = () => ({ sessionIndexes: [], notOnOrAfter: null, nameIdFormat: null });
        accepted(judge({ binding, at }));
      });
      it('a clock 59 s off, in both directions', () => {
        accepted(judge({ binding, at: (now) => ({ issueInstant: now + 59_000 }) }));
        accepted(judge({ binding, at: (now) => ({ notOnOrAfter: now - 59_000 }) }));
      });
      it('the second certificate during a rollover', () => {
        accepted(judge({ binding }, { certificates: [foreign.cert, idp.cert] }));
      });
      it('answers, telling success from less', () => {
        const outcome = (status: string, more = ''): string => {
          const at = (): Partial<LogoutOptions> => ({
            kind: 'LogoutResponse',
            status: `urn:oasis:names:tc:SAML:2.0:status:${status}`,
            beforeSigning: (xml) => xml.replace('</samlp:StatusCode>', `${more}</samlp:StatusCode>`),
          });
          const { logout } = accepted(judge({ binding, at }));
          return logout.kind === 'LogoutResponse' ? `${logout.inResponseTo} ${logout.outcome}` : logout.kind;
        };
        const partial =
          '<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:PartialLogout"></samlp:StatusCode>';
        assert.equal(outcome('Success'), '_request1 success');
        assert.equal(outcome('Success', partial), '_request1 partial');
        assert.equal(outcome('Responder'), '_request1 failed');
        assert.equal(outcome('Requester', partial), '_request1 failed');
      });
    });
  }

  it('gives the signed RelayState of a query, and none of a form', () => {
    const relayState = 'ü + %2B &=';
    assert.equal(accepted(judge({ binding: 'redirect', query: { relayState } })).relayState, relayState);
    assert.equal(accepted(judge({ binding: 'redirect' })).relayState, null);
    assert.equal(accepted(judge({ binding: 'post' })).relayState, null);
  });

  it('leaves alone what is not of the binding, signed or not', () => {
    const more = (text: string): string => `x=1&SAMLRequestX&${text}&y=2&=&SigAlgX`;
    accepted(judge({ binding: 'redirect', query: { afterSigning: more } }));
  });

  it('reads base64 whose "+" was not escaped', () => {
    const query = { beforeSigning: (text: string) => text.replaceAll('%2B', '+') };
    for (let attempt = 0; attempt < 5; attempt += 1) {
      accepted(judge({ binding: 'redirect', query, at: () => ({ id: `_l${attempt}` }) }));
    }
  });

  describe('the key of a subject', () => {
    const nameId = { value: 'ü:1', format: 'urn:f', nameQualifier: 'q', spNameQualifier: '' };
    it('is read back as it was written', () => {
      assert.deepEqual(readSubjectKey(subjectKeyOf({ issuer: IDP, nameId })), { issuer: IDP, nameId });
    });
    it('is no other text', () => {
      const key = subjectKeyOf({ issuer: IDP, nameId });
      for (const text of [
        '',
        'x',
        '4:saml',
        key.slice(0, -1),
        `${key}1:x`,
        key.replace('4:saml', '4:oidc'),
        '9:saml',
      ]) {
        assert.equal(readSubjectKey(text), null, text);
      }
    });
    it('is matched loosely only where the IdP names the value alone', () => {
      assert.equal(looseKeyOf({ issuer: IDP, nameId }), null);
      const format = 'urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified';
      const bare = { ...nameId, format, nameQualifier: '' };
      const loose = looseKeyOf({ issuer: IDP, nameId: bare });
      const full = subjectKeyOf({ issuer: IDP, nameId });
      assert.ok(loose !== null && full.startsWith(loose.start) && full.endsWith(loose.end));
      assert.equal(looseKeyOf({ issuer: IDP, nameId: { ...bare, spNameQualifier: 'x' } }), null);
    });
  });
});
