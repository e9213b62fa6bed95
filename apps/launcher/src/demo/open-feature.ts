import { OpenFeature } from '@openfeature/server-sdk';
import { OFREPProvider } from '@openfeature/ofrep-provider';
import type { Bootstrap } from '@sallyport/dev-env';

/** Evaluates a boolean flag as an application would: the OpenFeature SDK with its OFREP provider. */
export const evaluateThroughOpenFeature = async (
  bootstrap: Bootstrap,
  environment: string,
  flag: string,
): Promise<boolean> => {
  const key = bootstrap.flags.environmentKeys[environment] ?? '';
  const provider = new OFREPProvider({
    baseUrl: bootstrap.flags.ofrepUrl,
    headers: [['Authorization', `Bearer ${key}`]],
  });
  await OpenFeature.setProviderAndWait('sallyport-demo', provider);
  try {
    return await OpenFeature.getClient('sallyport-demo').getBooleanValue(flag, false, { targetingKey: 'customer-1' });
  } finally {
    await OpenFeature.close();
  }
};
