import { setting } from '@sallyport/config';

/** How domains are proven. */
export const domainSettings = {
  dnsServers: setting.list('SALLYPORT_DNS_SERVERS', {
    default: [],
    pattern: /^(?:\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?|\[[0-9a-fA-F:]+\](?::\d{1,5})?|[0-9a-fA-F:]{2,39})$/,
    doc: 'Resolvers (address or address:port) asked for the DNS proof of mail domains, each on its own; all that answer must agree. Empty: those of the operating system.',
  }),
};
