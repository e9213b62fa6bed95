/** Where the OpenID Provider is, below our origin. */
export const MOUNT = '/oidc';

/** Where an authorization request goes on when somebody has to sign in, or to answer. */
export const INTERACTION_PATH = '/login/interaction';
