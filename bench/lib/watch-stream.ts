import { type ClientRequest, request } from 'node:http'
import type { JettyServer } from './server.ts'

/** Opens a stream and reads its snapshot. */
export const watchStream = (server: JettyServer, path: string): Promise<ClientRequest> =>
  new Promise((resolve, reject) => {
    const outgoing = request(`${server.url}/api/v1/${path}`, {
      headers: { authorization: `Bearer ${server.adminToken}` },
    })
    outgoing.on('error', reject)
    outgoing.on('response', (answer) => {
      if (answer.statusCode !== 200) reject(new Error(`${path}: ${answer.statusCode}`))
      answer.on('error', () => {}) // the server ends before its streams
      answer.on('data', (chunk) => {
        if (String(chunk).includes('event: ')) resolve(outgoing)
      })
    })
    outgoing.end()
  })
