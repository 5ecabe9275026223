import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { whoamiSchema } from '../../model/collections/identity.ts'

const healthSchema = z
  .object({ status: z.literal('healthy'), version: z.string(), uptime_seconds: z.number() })
  .meta({ id: 'Health' })

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
  getOpenApi: endpoint({
    method: 'GET',
    path: '/openapi.json',
    summary: 'This API as an OpenAPI 3.1 document',
    tag: 'Server',
    access: 'none',
    response: z.record(z.string(), z.unknown()),
  }),
  getDocs: endpoint({
    method: 'GET',
    path: '/docs',
    summary: 'This API as a page to read',
    tag: 'Server',
    access: 'none',
    response: 'html',
  }),
  whoAmI: endpoint({
    method: 'GET',
    path: '/api/v1/auth/whoami',
    summary: 'What the token is, and which collections it covers',
    tag: 'Server',
    response: whoamiSchema,
  }),
}
