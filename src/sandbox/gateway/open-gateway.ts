import { AppError } from '../../lib/errors.ts'
import type { LookUp } from '../../lib/net/net.ts'
import type { Models } from '../../providers/provider.ts'
import { makeKeyRedactors } from '../../providers/upstream/redact/key-redactor.ts'
import { makeUsageQuestion } from '../../providers/upstream/usage/stream-usage.ts'
import { makeForwardProxy } from './forward-proxy.ts'
import { makeGatewayServer } from './gateway-server.ts'
import type { Dial } from './host-connections.ts'
import { insideEnv, providersFor } from './inside-env.ts'
import type { GatewayLimits } from './limits.ts'
import { makeMeter } from './meter.ts'
import { makeAnswerModelRequest } from './model-requests.ts'
import { makeBackend } from './models/backend.ts'
import type { GatewayProvider } from './models/endpoints.ts'
import type { CallContext } from './models/model-call.ts'
import { makeByteRoom } from './request-body.ts'
import type { GatewayOptions, OpenGateway } from './sandbox-gateway.ts'

export interface SandboxGatewayDeps {
  models: Models
  limits: GatewayLimits
  /** For tests; the system's resolver and network otherwise. */
  lookup?: LookUp
  dial?: Dial
  /** The addresses of this machine. */
  own?: () => readonly string[]
}

/** The allowed providers whose key exists, and the agent's own in any case, so that its error is reported. */
const servedProviders = async (
  models: Models,
  { caller, provider }: GatewayOptions,
  allowed: readonly GatewayProvider[],
): Promise<GatewayProvider[]> => {
  const isThere = async (one: GatewayProvider): Promise<boolean> => {
    if (one === provider) return true
    return models.account({ provider: one }, caller).then(
      () => true,
      () => false,
    )
  }
  const there = await Promise.all(allowed.map(isThere))
  return allowed.filter((_, index) => there[index])
}

/** Makes the function that opens gateways: each sandbox gets its own, which nothing else can reach. */
export const makeOpenGateway = ({ models, limits, lookup, dial, own }: SandboxGatewayDeps): OpenGateway => {
  const askForUsage = makeUsageQuestion()
  return async (options) => {
    const { socket, token, provider, signal, network } = options
    signal.throwIfAborted()
    const allowed = providersFor(provider, options.declared)
    const meter = makeMeter(options)
    let lastTrafficMs = performance.now()
    const moved = () => {
      lastTrafficMs = performance.now()
    }
    const room = makeByteRoom(limits.bodyBytes * 2)
    const redactorFor = makeKeyRedactors()
    const calls = { backend: makeBackend(), room, redactorFor, askForUsage, moved }
    const context: CallContext = { models, options, limits, meter, ...calls }
    const cut = new AbortController()
    const forward = makeForwardProxy({
      network,
      allowedHosts: options.caller.allowedHosts,
      limits,
      refuseHost: meter.refuseHost,
      moved,
      ...(lookup && { lookup }),
      ...(dial && { dial }),
      ...(own && { own }),
    })
    const answerModelRequest = makeAnswerModelRequest(context, allowed, cut.signal)
    const server = makeGatewayServer(forward, answerModelRequest, limits.connections)
    const cutOff = () => {
      if (cut.signal.aborted) return
      cut.abort(new AppError('cancelled', 'The gateway of the sandbox was closed'))
      forward.close()
      server.close()
    }
    await server.listen(socket)
    signal.addEventListener('abort', cutOff, { once: true })
    if (signal.aborted) cutOff()
    return {
      env: insideEnv(await servedProviders(models, options, allowed), token),
      usage: meter.usage,
      get lastTrafficMs() {
        return lastTrafficMs
      },
      async close() {
        signal.removeEventListener('abort', cutOff)
        cutOff()
        await server.settled()
        await meter.settled()
      },
    }
  }
}
