import type { Gateway } from '../../gateway/gateway.ts'
import { implementOnSocket, type SocketCall, type SocketRoute } from '../../http/implement.ts'
import type { Shape } from '../../model/gateway/shape.ts'
import { gatewayContract } from './contract.ts'

export interface GatewayRoutesDeps {
  gateway: Gateway
  /** Answers a chat that asks for a runbook. */
  runbookChat(call: SocketCall, body: Buffer): Promise<void>
}

export const gatewayRoutes = ({ gateway, runbookChat }: GatewayRoutesDeps): SocketRoute[] => {
  const answer = (shape: Shape) => async (call: SocketCall) => {
    const body = await gateway.answer(call, shape)
    if (body) await runbookChat(call, body)
  }
  return implementOnSocket(gatewayContract, {
    createChatCompletion: answer('chat'),
    createEmbeddings: answer('embeddings'),
    createImages: answer('images'),
    createResponse: answer('responses'),
    createMessage: answer('messages'),
  })
}
