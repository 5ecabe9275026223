import type { Gateway } from '../../gateway/gateway.ts'
import { implementOnSocket, type SocketRoute } from '../../http/implement.ts'
import { gatewayContract } from './contract.ts'

export interface GatewayRoutesDeps {
  gateway: Gateway
}

export const gatewayRoutes = ({ gateway }: GatewayRoutesDeps): SocketRoute[] =>
  implementOnSocket(gatewayContract, {
    createChatCompletion: (call) => gateway.answer(call, 'chat'),
    createEmbeddings: (call) => gateway.answer(call, 'embeddings'),
    createImages: (call) => gateway.answer(call, 'images'),
    createResponse: (call) => gateway.answer(call, 'responses'),
    createMessage: (call) => gateway.answer(call, 'messages'),
  })
