import type { Gateway, ModelCall } from '../../gateway/gateway.ts'
import {
  implementScoped,
  type ReadScopedBody,
  type Route,
  type ScopedBody,
  type ScopedCall,
} from '../../http/implement.ts'
import type { Reply } from '../../http/reply.ts'
import type { Shape } from '../../model/gateway/shape.ts'
import { readSent, type SentChat } from '../runbook-chat/read.ts'
import { gatewayContract } from './contract.ts'

interface GatewayRoutesDeps {
  gateway: Gateway
  /** Answers a chat that asks for a runbook. */
  runbookChat(call: ScopedCall<SentChat>): Promise<Reply>
}

const shapes: Record<keyof typeof gatewayContract, Shape> = {
  createChatCompletion: 'chat',
  createEmbeddings: 'embeddings',
  createImages: 'images',
  createResponse: 'responses',
  createMessage: 'messages',
}

/** Tells whether a call is a chat with a runbook: its body has `sent`, that of every other call `asked`. */
const isForRunbook = (call: ScopedCall<ScopedBody>): call is ScopedCall<SentChat> => 'sent' in call.body

export const gatewayRoutes = ({ gateway, runbookChat }: GatewayRoutesDeps): Route[] =>
  Object.entries(gatewayContract).map(([operation, endpoint]) => {
    const shape = shapes[operation as keyof typeof shapes]
    const read: ReadScopedBody<ScopedBody> = async (bytes, headers) => {
      const body = await gateway.read(bytes, headers, shape)
      return body === 'runbook' ? readSent(bytes, headers['x-jetty-collection']?.toString()) : body
    }
    return implementScoped(operation, endpoint, read, (call) =>
      isForRunbook(call) ? runbookChat(call) : gateway.answer(call as ModelCall, shape),
    )
  })
