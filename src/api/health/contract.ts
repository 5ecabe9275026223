import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { whoamiSchema } from '../../model/collections/identity.ts'

const healthSchema = z
  .object({ status: z.literal('healthy'), version: z.string(), uptime_seconds: z.number() })
  .meta({ id: 'Health' })

const readySchema = z
  .object({
    ready: z.boolean(),
    reason: z.string().nullable().describe('Why the process is not ready, and what to do; null if it is.'),
    draining: z.boolean().describe('Whether the process is stopping.'),
    role: z.enum(['all', 'api', 'worker']),
    database: z
      .enum(['up', 'read_only', 'failing', 'away', 'upgraded'])
      .describe(
        '`failing`: it answers reads but cannot write, since its disk is full or broken. `upgraded`: a newer version has ' +
          'changed the schema, and this process has to be replaced.',
      ),
    writable: z.boolean().describe('Whether the database accepts writes.'),
    clock: z.object({
      ok: z.boolean(),
      skew_seconds: z.number().describe('How far the clock of this machine is ahead of the database clock.'),
    }),
    storage: z
      .object({ ok: z.boolean(), reason: z.string().nullable() })
      .describe(
        'Whether files can be written: to the data folder, and with JETTY_STORAGE=s3://… to the bucket when it was last ' +
          'used. A bucket that is away does not make the process unready.',
      ),
    memory: z
      .object({
        used_bytes: z.int(),
        limit_bytes: z.int(),
        waiting: z.int().describe('Number of steps and requests that wait for memory.'),
        waits: z
          .array(
            z.object({
              kind: z.enum(['step', 'parent', 'request']).describe('`parent`: a step that waits for runs it started.'),
              bytes: z.int(),
              held_bytes: z.int().describe('What it holds meanwhile.'),
              seconds: z.number(),
            }),
          )
          .describe('The longest waits, at most twenty.'),
      })
      .describe('Memory for large values: JETTY_IN_FLIGHT_BYTES. Waiting does not make the process unready.'),
    queue: z.object({ ok: z.boolean() }).describe('Whether new runs and calls can be stored as fast as they arrive.'),
  })
  .meta({ id: 'Ready' })

export type Ready = z.output<typeof readySchema>

export const healthContract = {
  getHealth: endpoint({
    method: 'GET',
    path: '/api/v1/health',
    aliases: ['/health', '/'],
    summary: 'Whether the server answers',
    tag: 'Server',
    access: 'none',
    response: healthSchema,
  }),
  getReady: endpoint({
    method: 'GET',
    path: '/ready',
    aliases: ['/api/v1/ready'],
    summary: 'Whether this process is ready for requests: 200, or 503 with the same document',
    tag: 'Server',
    access: 'none',
    response: readySchema,
  }),
  getOpenApi: endpoint({
    method: 'GET',
    path: '/openapi.json',
    summary: 'This API as an OpenAPI 3.1 document',
    tag: 'Server',
    access: 'none',
    response: z.record(z.string(), z.unknown()),
  }),
  whoAmI: endpoint({
    method: 'GET',
    path: '/api/v1/auth/whoami',
    summary: 'The identity of the token, and the collections it covers',
    tag: 'Server',
    response: whoamiSchema,
  }),
}
