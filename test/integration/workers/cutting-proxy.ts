import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** Passes bytes on, and cuts connections that had none for so long, as proxies do. */
export const startCuttingProxy = async (target: string, silentMs: number) => {
  const { hostname, port } = new URL(target)
  const seen = { cut: 0, connections: 0 }
  const open = new Set<Socket>()
  const server = createServer((near) => {
    seen.connections++
    const far = connect(Number(port), hostname)
    const timer = setTimeout(() => {
      seen.cut++
      near.destroy()
    }, silentMs)
    const pass = (from: Socket, to: Socket) => {
      open.add(from)
      from.on('data', () => timer.refresh()).on('error', () => {})
      from.on('close', () => {
        clearTimeout(timer)
        open.delete(from)
        to.destroy()
      })
      from.pipe(to)
    }
    pass(near, far)
    pass(far, near)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    close() {
      for (const socket of open) socket.destroy()
      server.close()
    },
  }
}
