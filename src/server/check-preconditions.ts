import { checkAddress } from '../http/listen-address.ts'
import { AppError } from '../lib/errors.ts'
import type { Settings } from '../lib/settings/config.ts'

/** Throws what keeps a server with these settings from starting, before anything is opened. */
export const checkPreconditions = async (settings: Settings): Promise<void> => {
  if (settings.role !== 'all' && !settings.databaseUrl) {
    throw new AppError('invalid', `JETTY_ROLE=${settings.role} needs a database that other processes share`, {
      hint: 'Set DATABASE_URL, for example DATABASE_URL=postgres://jetty:password@localhost:5432/jetty',
    })
  }
  if (settings.role !== 'worker') await checkAddress(settings.host, settings.port)
  if (settings.metricsPort !== undefined) {
    await checkAddress(settings.host, settings.metricsPort, 'JETTY_METRICS_PORT')
  }
}
