import type { AllowRule } from '../../lib/net/addresses.ts'
import type { LookUp } from '../../lib/net/agent.ts'
import { makeForwardProxy } from './forward-proxy.ts'
import { makeGatewayServer } from './gateway-server.ts'
import type { Dial } from './host-connections.ts'
import { proxyEnv } from './inside-env.ts'
import type { GatewayLimits } from './limits.ts'

interface ProxyDeps {
  limits: GatewayLimits
  /** For tests; the system's resolver and network otherwise. */
  lookup?: LookUp
  dial?: Dial
  own?: () => readonly string[]
}

interface ProxyOptions {
  /** Path of the unix socket to listen on. */
  socket: string
  hosts: readonly string[]
  /** Hosts that the collection may reach: both lists must allow a host. */
  allowedHosts: readonly string[] | undefined
  /** Private addresses that may be reached all the same, such as a registry that the operator has chosen. */
  trusted?: AllowRule[]
  /** Aborts everything at once. */
  signal: AbortSignal
}

/** The way out of a sandbox that asks no model: named hosts, and nothing else. */
export interface SandboxProxy {
  /** Variables for the sandbox. */
  env: Readonly<Record<string, string>>
  /** Refused hosts, each once, at most 50. */
  refusedHosts(): readonly string[]
  close(): Promise<void>
}

export type OpenProxy = (options: ProxyOptions) => Promise<SandboxProxy>

const mostRefused = 50

/** Makes the function that opens proxies: each sandbox gets its own, which nothing else can reach. */
export const makeOpenProxy =
  ({ limits, lookup, dial, own }: ProxyDeps): OpenProxy =>
  async ({ socket, hosts, allowedHosts, trusted = [], signal }) => {
    signal.throwIfAborted()
    const refused = new Set<string>()
    const forward = makeForwardProxy({
      ...{ network: { mode: 'hosts', hosts }, allowedHosts, trusted, limits },
      refuseHost: (host) => refused.size < mostRefused && refused.add(host),
      moved() {},
      ...(lookup && { lookup }),
      ...(dial && { dial }),
      ...(own && { own }),
    })
    const noModels = async (_: unknown, response: { writeHead(status: number): { end(text: string): unknown } }) =>
      void response.writeHead(404).end('jetty: this is a proxy, and serves nothing of its own\n')
    const server = makeGatewayServer(forward, noModels, limits.connections)
    const cutOff = () => {
      forward.close()
      server.close()
    }
    await server.listen(socket)
    signal.addEventListener('abort', cutOff, { once: true })
    if (signal.aborted) cutOff()
    return {
      env: proxyEnv(),
      refusedHosts: () => [...refused],
      async close() {
        signal.removeEventListener('abort', cutOff)
        cutOff()
        await server.settled()
      },
    }
  }
