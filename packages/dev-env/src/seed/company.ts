/** What the demo organisation starts with. Changing a line here changes only organisations seeded later. */
export const ORGANIZATION = { slug: 'acme', displayName: 'Acme Corp', ownerEmail: 'owner@acme.example' } as const;

/** The connection to the demo identity provider. */
export const CONNECTION = { name: 'Demo IdP', domain: 'acme.example', oidcClientId: 'sallyport' } as const;

/** Which role a group of the demo company carries. */
export const ROLE_OF_GROUP: Readonly<Record<string, string>> = {
  Developers: 'developer',
  'Release Managers': 'release_manager',
  'Project Admins': 'project_admin',
  Auditors: 'auditor',
  Viewers: 'viewer',
};

export const PROJECT = { key: 'storefront', name: 'Storefront' } as const;

/** Environments in the order of a release. Protection is raised after the flags are in place. */
export const ENVIRONMENTS = [
  { key: 'development', name: 'Development', tier: 'non-production', protection: null },
  { key: 'staging', name: 'Staging', tier: 'non-production', protection: null },
  { key: 'production', name: 'Production', tier: 'production', protection: { protected: true, requiredApprovals: 1 } },
] as const;

/** A flag of the demo project and where it is switched on, with what. */
export interface DemoFlag {
  readonly flag: {
    readonly key: string;
    readonly type: 'boolean' | 'string' | 'number' | 'object';
    readonly description: string;
    readonly variants: Readonly<Record<string, unknown>>;
    readonly defaultVariant: string;
    readonly tags: readonly string[];
    readonly clientVisible: boolean;
  };
  readonly on: Readonly<Partial<Record<(typeof ENVIRONMENTS)[number]['key'], object>>>;
}

const betaTesters = {
  name: 'Our own people',
  when: [{ attribute: 'email', operator: 'ends_with', value: '@acme.example' }],
  serve: { variant: 'on' },
};

export const FLAGS: readonly DemoFlag[] = [
  {
    flag: {
      key: 'new-checkout',
      type: 'boolean',
      description: 'The rebuilt checkout. On for everybody while developing, for our own people in staging.',
      variants: { on: true, off: false },
      defaultVariant: 'off',
      tags: ['checkout'],
      clientVisible: true,
    },
    on: {
      development: { state: 'ENABLED', defaultVariant: 'on' },
      staging: { state: 'ENABLED', rules: [betaTesters] },
    },
  },
  {
    flag: {
      key: 'checkout-button',
      type: 'string',
      description: 'Words on the button that buys.',
      variants: { plain: 'Buy', friendly: 'Take it home' },
      defaultVariant: 'plain',
      tags: ['checkout', 'copy'],
      clientVisible: true,
    },
    on: {
      development: { state: 'ENABLED' },
      staging: { state: 'ENABLED', defaultVariant: 'friendly' },
      production: { state: 'ENABLED' },
    },
  },
  {
    flag: {
      key: 'results-per-page',
      type: 'number',
      description: 'How many products a page of search results shows.',
      variants: { few: 12, many: 48 },
      defaultVariant: 'few',
      tags: ['search'],
      clientVisible: false,
    },
    on: { development: { state: 'ENABLED' }, staging: { state: 'ENABLED' }, production: { state: 'ENABLED' } },
  },
];
