import { runService } from '@sallyport/service';

import { readIdentityConfig } from './config.ts';
import { createContext } from './context.ts';
import { startServer } from './server.ts';

await runService({ createContext: () => createContext(readIdentityConfig()), startServer });
