import type { ClientRequest } from 'node:http'
import type { Socket } from 'node:net'

const heard = new WeakSet<Socket>()

/**
 * Keeps a connection that breaks after the answer from ending the process. When a server has answered before it has read
 * the body, Node 20 takes its own listener from the connection, and still writes the rest.
 */
export const hearLateErrors = (request: ClientRequest): ClientRequest =>
  request.on('socket', (socket) => {
    if (heard.has(socket)) return // a connection that is kept carries many requests
    heard.add(socket)
    socket.on('error', () => {})
  })
