import assert from 'node:assert/strict';

import { isAppError } from '@sallyport/errors';

import { findAttribute } from '../attribute.ts';
import { GROUP } from '../group-schema.ts';
import type { JsonObject } from '../json.ts';
import { ENTERPRISE_USER_SCHEMA, USER, USER_SCHEMA } from '../user-schema.ts';
import { matches, matchesResource } from './evaluate.ts';
import { parseFilter } from './parse.ts';
import { parseValueFilter, readFilter, resolveFilter } from './resolve.ts';

const USER_DOCUMENT: JsonObject = {
  schemas: [USER_SCHEMA, ENTERPRISE_USER_SCHEMA],
  id: '0199a8a0-0000-7000-8000-000000000001',
  externalId: 'Ext-1',
  userName: 'Barbara@Example.com',
  name: { familyName: 'Jensen', givenName: 'Barbara' },
  active: true,
  title: 'Tour Guide',
  profileUrl: 'https://example.com/Barbara',
  emails: [
    { value: 'barbara@example.com', type: 'work', primary: true },
    { value: 'Babs@home.example', type: 'home' },
  ],
  [ENTERPRISE_USER_SCHEMA]: { employeeNumber: '701984', manager: { value: 'm-1' } },
  meta: { resourceType: 'User', created: '2026-01-23T04:56:22.123Z', lastModified: '2026-05-13T04:42:34.000Z' },
};

const test = (filter: string): boolean => matchesResource(USER_DOCUMENT, readFilter(USER, filter));
const holds = (...filters: string[]): void => {
  for (const filter of filters) assert.equal(test(filter), true, filter);
};
const fails = (...filters: string[]): void => {
  for (const filter of filters) assert.equal(test(filter), false, filter);
};
const refuses = (...filters: string[]): void => {
  for (const filter of filters)
    assert.throws(
      () => readFilter(USER, filter),
      (error) => isAppError(error) && error.code === 'INVALID_FILTER',
      filter,
    );
};

describe('filters on documents (RFC 7644 §3.4.2.2)', () => {
  it('compares text with or without regard to case, as the attribute says', () => {
    holds('userName eq "BARBARA@example.COM"', 'userName sw "barb"', 'userName ew ".COM"', 'title co "ur gU"');
    holds('externalId eq "Ext-1"', 'profileUrl ew "/Barbara"');
    fails('externalId eq "ext-1"', 'profileUrl ew "/barbara"', 'userName eq "barbara"');
    holds('userName eq "ＢＡＲＢＡＲＡ@example.com"');
  });

  it('takes % and _ as what they are', () => {
    fails('userName co "%"', 'userName co "_"', 'userName sw "b%"', String.raw`userName co "\\"`);
  });

  it('orders text by code points', () => {
    holds('title gt "tour"', 'title ge "tour guide"', 'title lt "tourist"', 'title le "TOUR GUIDE"');
    fails('title gt "tour guide"', 'title lt "tour guide"', 'nickName gt ""', 'nickName lt "z"');
  });

  it('knows attributes by every name they have', () => {
    holds(
      'USERNAME sw "b"',
      `${USER_SCHEMA}:userName sw "b"`,
      `${USER_SCHEMA.toUpperCase()}:name.familyname eq "jensen"`,
      `${ENTERPRISE_USER_SCHEMA}:employeeNumber eq "701984"`,
      `${ENTERPRISE_USER_SCHEMA}:manager.value eq "m-1"`,
      `${ENTERPRISE_USER_SCHEMA}:manager eq "m-1"`,
      `schemas eq "${ENTERPRISE_USER_SCHEMA.toLowerCase()}"`,
    );
  });

  it('a list meets a comparison when one of its values does; its value stands for it', () => {
    holds('emails eq "barbara@example.com"', 'emails.value co "home"', 'emails.type eq "home"', 'emails co "HOME"');
    fails('emails.value eq "barbara"', 'emails.type eq "other"', 'phoneNumbers.value co ""');
  });

  it('a filter in brackets is about one element', () => {
    holds('emails[type eq "home" and value co "babs"]', 'emails[type eq "work"].value ew "example.com"');
    fails('emails[type eq "work" and value co "babs"]', 'emails[type eq "work"].value co "babs"');
    holds('emails[not (type eq "work")]', 'emails[type eq "work"].primary eq true', 'emails[type eq "home"].value pr');
    fails('emails[type eq "home"].display pr', 'phoneNumbers[type ne "work"]');
  });

  it('pr is a value that says something', () => {
    holds('name pr', 'emails pr', 'name.familyName pr', 'active pr', `${ENTERPRISE_USER_SCHEMA}:manager pr`);
    fails('nickName pr', 'name.middleName pr', 'phoneNumbers pr', 'emails.display pr');
    const empty = { emails: [], name: {}, nickName: '', title: null };
    for (const filter of ['emails pr', 'name pr', 'nickName pr', 'title pr'])
      assert.equal(matchesResource(empty, readFilter(USER, filter)), false);
  });

  it('ne holds for what has no value, and for a list with a value that differs', () => {
    holds('nickName ne "x"', 'title ne "x"', 'emails.type ne "work"', 'phoneNumbers.value ne "1"', 'active ne false');
    fails('title ne "tour guide"', 'emails[type eq "work"].type ne "work"');
  });

  it('null is "no value"', () => {
    holds('nickName eq null', 'title ne null', 'emails ne null', 'phoneNumbers eq null', 'not (title eq null)');
    fails('title eq null', 'nickName ne null', 'name eq null');
    refuses('title gt null', 'title co null');
  });

  it('an absent primary is a primary that is false (RFC 7643 §2.4)', () => {
    holds(
      'emails[primary eq false and type eq "home"]',
      'emails.primary eq false',
      'emails[type eq "home" and primary ne true]',
    );
    fails('emails[type eq "home" and primary pr]', 'phoneNumbers.primary eq false');
  });

  it('compares dates as instants', () => {
    holds(
      'meta.created eq "2026-01-23T04:56:22.123Z"',
      'meta.created eq "2026-01-23T05:56:22.123+01:00"',
      'meta.created eq "2026-01-22t23:56:22.1230000-05:00"',
      'meta.created gt "2026-01-23T04:56:22Z"',
      'meta.created lt "2026-01-23T04:56:22.1230001Z"',
      'meta.lastModified ge "2026-05-13T04:42:34Z"',
      'meta.lastModified gt "1999-12-31T23:59:59-12:00"',
    );
    fails('meta.created eq "2026-01-23T04:56:22.1230001Z"', 'meta.lastModified gt "2026-05-13T04:42:34.000Z"');
    refuses(
      ...['2026-01-23', '2026-01-23T04:56:22', '2026-02-29T00:00:00Z', '2026-13-01T00:00:00Z', 'yesterday', ''].map(
        (text) => `meta.created gt ${JSON.stringify(text)}`,
      ),
      'meta.created co "2026"',
      'meta.created eq true',
    );
  });

  it('logic', () => {
    holds(
      'title pr and active eq true',
      'nickName pr or title pr',
      'not (nickName pr)',
      'not (nickName pr or title eq "x")',
    );
    fails('title pr and nickName pr', 'not (title pr or nickName pr)');
    holds('nickName pr and nickName pr or title pr', 'title pr or nickName pr and nickName pr');
  });

  it('refuses unknown names, prototype names, objects without a value, and passwords', () => {
    refuses(
      ...['nope', '__proto__', 'constructor', 'toString', 'emails.toString', 'name.nope', 'urn:nope:userName', ''].map(
        (path) => `${path} eq "a"`,
      ),
      'name eq "x"',
      'addresses co "x"',
      'password eq "x"',
      'password pr',
      'password sw "a"',
      'emails[nope eq "x"]',
      'emails[value eq "x"].nope eq "x"',
      'name[familyName eq "x"]',
      'userName[value eq "x"]',
      'emails.value[type eq "x"]',
      'schemas[value eq "x"]',
      'members pr',
    );
  });

  it('refuses values of the wrong type and operators that do not apply', () => {
    refuses('active eq "yes"', 'active eq 1', 'userName eq true', 'userName eq false', 'emails[primary eq 1]');
    refuses(...['gt', 'ge', 'lt', 'le', 'co', 'sw', 'ew'].map((operator) => `active ${operator} true`));
    holds('emails[primary eq "True"]', `${ENTERPRISE_USER_SCHEMA}:employeeNumber eq 701984`);
    for (const filter of ['emails[primary eq "True"]', `${ENTERPRISE_USER_SCHEMA}:employeeNumber eq 701984`])
      assert.throws(() => readFilter(USER, filter, { allowBareWords: false }), { code: 'INVALID_FILTER' });
  });

  it('an attribute of another type of resource has no value (RFC 7644 §3.4.2.1)', () => {
    const across = (filter: string): boolean =>
      matchesResource(USER_DOCUMENT, resolveFilter(USER, parseFilter(filter), { others: [GROUP] }));
    assert.equal(across('members pr'), false);
    assert.equal(across('members.value eq "x"'), false);
    assert.equal(across('members eq null'), true);
    assert.equal(across('members.value ne "x" and userName sw "b"'), true);
    assert.throws(() => across('nope pr'), { code: 'INVALID_FILTER' });
  });
});

describe('parseValueFilter (RFC 7644 §3.5.2)', () => {
  const emails = findAttribute(USER.core.attributes, 'emails');
  assert.ok(emails);

  it('selects elements', () => {
    const select = (filter: string): boolean =>
      matches({ value: 'A@x', type: 'work' }, parseValueFilter(emails, filter));
    for (const filter of ['type eq "WORK"', 'value eq "a@X" and type pr', 'primary eq false', 'not (display pr)'])
      assert.equal(select(filter), true, filter);
    for (const filter of ['type ne "work"', 'primary eq true', 'display sw "a"']) assert.equal(select(filter), false);
  });

  it('has no brackets inside and names parts only', () => {
    for (const filter of ['emails[type eq "x"]', 'userName eq "x"', 'value', '', 'value.x eq "y"'])
      assert.throws(() => parseValueFilter(emails, filter), { code: 'INVALID_FILTER' });
  });
});
