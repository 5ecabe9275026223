import { setClock } from '../src/lib/time.ts'

/** A server that an earlier file of this worker has started leaves the time of its database. */
setClock(Date.now)
