import { complex, reference, text, type ResourceDefinition } from './attribute.ts';

export const GROUP_SCHEMA = 'urn:ietf:params:scim:schemas:core:2.0:Group';

/** The one declaration that `/Schemas` publishes and the validator enforces. */
export const GROUP: ResourceDefinition = {
  name: 'Group',
  endpoint: '/Groups',
  description: 'Groups of users.',
  core: {
    id: GROUP_SCHEMA,
    name: 'Group',
    description: 'A group of users, as the directory of this connection knows it.',
    attributes: [
      text('displayName', 'Name of the group, unique within the connection without regard to case.', {
        required: true,
        uniqueness: 'server',
      }),
      complex(
        'members',
        'The users in the group.',
        [
          text('value', 'Identifier of the user.', { caseExact: true, mutability: 'immutable', required: true }),
          reference('$ref', 'Address of the user.', { mutability: 'immutable', referenceTypes: ['User'] }),
          text('display', 'Name of the user.', { mutability: 'readOnly' }),
          text('type', 'Always "User": groups inside groups are not supported.', {
            mutability: 'immutable',
            canonicalValues: ['User'],
          }),
        ],
        { multiValued: true },
      ),
    ],
  },
  extensions: [],
  // Entra's create request lists it and uses no attribute of it.
  toleratedSchemas: ['http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group'],
};
