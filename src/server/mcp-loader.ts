import type { McpDeps } from '../api/mcp/routes.ts'
import { version } from '../lib/version.ts'
import { localUrl } from './demo/client-files.ts'

/** Loads the MCP server with its first call; the server that its tools call listens later than its routes are made. */
export const makeMcpLoader = () => {
  let origin = ''
  let loaded: ReturnType<McpDeps['loadMcp']> | undefined
  const open = async () => {
    const [{ makeMcpEndpoint }, { loadOperations }] = await Promise.all([
      import('../mcp/transport/answer-http.ts'),
      import('../client/load-operations.ts'),
    ])
    return makeMcpEndpoint(await loadOperations(), () => origin, `jetty-mcp/${version}`)
  }
  return {
    serveAt: (url: string) => {
      origin = localUrl(url)
    },
    load: () => {
      loaded ??= open().catch((error) => {
        loaded = undefined // the next call tries again
        throw error
      })
      return loaded
    },
  }
}
