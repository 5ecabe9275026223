import { leaveContexts } from './entered-contexts.ts'

/**
 * An earlier file of this worker may have used a package that enters contexts, as Playwright does. From then on Node 20 calls
 * hooks for every promise of the process: a tenth of the CPU of requests, and servers of ours do without (src/engine/leases/without-hooks.ts).
 */
leaveContexts()
