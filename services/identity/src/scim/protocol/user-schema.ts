import { complex, flag, plural, reference, text, type ResourceDefinition, type SchemaDefinition } from './attribute.ts';

export const USER_SCHEMA = 'urn:ietf:params:scim:schemas:core:2.0:User';
export const ENTERPRISE_USER_SCHEMA = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';

const core: SchemaDefinition = {
  id: USER_SCHEMA,
  name: 'User',
  description: 'A person, as the directory of this connection knows them.',
  attributes: [
    text('userName', 'Unique name of the user within the organisation, compared without regard to case.', {
      required: true,
      uniqueness: 'server',
    }),
    complex('name', 'The parts of the name.', [
      text('formatted', 'The full name.'),
      text('familyName', 'Family name.'),
      text('givenName', 'Given name.'),
      text('middleName', 'Middle name.'),
      text('honorificPrefix', 'Prefix or title.'),
      text('honorificSuffix', 'Suffix.'),
    ]),
    text('displayName', 'The name to show.'),
    text('nickName', 'Casual name.'),
    reference('profileUrl', 'Address of a page about the user.', { referenceTypes: ['external'] }),
    text('title', 'Job title.'),
    text('userType', 'Relation to the organisation.'),
    text('preferredLanguage', 'Preferred languages, as in Accept-Language.'),
    text('locale', 'Default locale.'),
    text('timezone', 'Time zone, as in the IANA database.'),
    flag('active', 'Whether the directory lets the user in. False ends every session, token and grant at once.'),
    text(
      'password',
      'Accepted on create and replace because directories send it, and never kept: people sign in at their IdP.',
      {
        caseExact: true,
        mutability: 'writeOnly',
        returned: 'never',
      },
    ),
    plural('emails', 'E-mail addresses.', text('value', 'The address.'), ['work', 'home', 'other']),
    plural('phoneNumbers', 'Phone numbers.', text('value', 'The number.'), [
      'work',
      'home',
      'mobile',
      'fax',
      'pager',
      'other',
    ]),
    plural('ims', 'Instant messaging addresses.', text('value', 'The address.')),
    plural(
      'photos',
      'Photographs.',
      reference('value', 'Address of the photograph.', { referenceTypes: ['external'] }),
      ['photo', 'thumbnail'],
    ),
    complex(
      'addresses',
      'Postal addresses.',
      [
        text('formatted', 'The whole address.'),
        text('streetAddress', 'Street and number.'),
        text('locality', 'City.'),
        text('region', 'State or region.'),
        text('postalCode', 'Postal code.'),
        text('country', 'Country.'),
        text('type', 'What the address is for.', { canonicalValues: ['work', 'home', 'other'] }),
        flag('primary', 'The preferred value; at most one has it.'),
      ],
      { multiValued: true },
    ),
    complex(
      'groups',
      'The groups of this connection the user is in; changed through the group.',
      [
        text('value', 'Identifier of the group.', { caseExact: true, mutability: 'readOnly' }),
        reference('$ref', 'Address of the group.', { mutability: 'readOnly', referenceTypes: ['Group'] }),
        text('display', 'Name of the group.', { mutability: 'readOnly' }),
        text('type', 'Always "direct".', { mutability: 'readOnly', canonicalValues: ['direct'] }),
      ],
      { multiValued: true, mutability: 'readOnly' },
    ),
    plural(
      'entitlements',
      'Entitlements known to the directory; they grant nothing here.',
      text('value', 'The entitlement.'),
    ),
    plural('roles', 'Roles known to the directory; they grant nothing here.', text('value', 'The role.')),
  ],
};

const enterprise: SchemaDefinition = {
  id: ENTERPRISE_USER_SCHEMA,
  name: 'EnterpriseUser',
  description: 'What an enterprise knows of its people (RFC 7643 §4.3).',
  attributes: [
    text('employeeNumber', 'Number of the employee.'),
    text('costCenter', 'Cost centre.'),
    text('organization', 'Organisation.'),
    text('division', 'Division.'),
    text('department', 'Department.'),
    complex('manager', 'The manager.', [
      text('value', 'Identifier of the manager.', { caseExact: true }),
      reference('$ref', 'Address of the manager.', { referenceTypes: ['User'] }),
      text('displayName', 'Name of the manager.', { mutability: 'readOnly' }),
    ]),
  ],
};

/** The one declaration that `/Schemas` publishes and the validator enforces. */
export const USER: ResourceDefinition = {
  name: 'User',
  endpoint: '/Users',
  description: 'User accounts.',
  core,
  extensions: [enterprise],
  toleratedSchemas: [],
};
