import type { Route } from '../../http/implement.ts'
import type { HttpLog, HttpSettings } from '../../http/options.ts'
import { type HttpServer, makeServer } from '../../http/server.ts'
import { AppError } from '../../lib/errors.ts'
import { type MetricsDeps, openMetricsRoutes } from './routes.ts'

/** For scrapers and load balancers. */
const openConnections = 64

/**
 * Serves /metrics and health on a port of their own, without tokens. Every client that reaches the port may read them.
 */
export const makeOpenMetricsServer = (
  deps: MetricsDeps & { health: Route[]; settings: HttpSettings; log: HttpLog },
): HttpServer =>
  makeServer({
    routes: [
      ...openMetricsRoutes(deps),
      ...deps.health.filter(({ operation }) => ['getHealth', 'getReady'].includes(operation)),
    ],
    authenticate: async () => {
      throw new AppError('unauthenticated', 'This port does not accept tokens')
    },
    findCollection: async () => undefined,
    findTask: async () => undefined,
    settings: deps.settings,
    log: deps.log,
    connections: openConnections,
  })
