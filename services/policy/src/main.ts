import { runService } from '@sallyport/service';

import { readPolicyConfig } from './config.ts';
import { createContext } from './context.ts';
import { startServer } from './server.ts';

await runService({ createContext: () => createContext(readPolicyConfig()), startServer });
