import { endpoint } from '../../http/endpoint.ts'
import { sandboxStateSchema, systemSchema } from '../../model/system.ts'

const tag = 'Server'

export const systemContract = {
  getSystem: endpoint({
    method: 'GET',
    path: '/api/v1/system',
    summary: 'How the server is: its checks, its queue, what it stores, and the model providers that it calls',
    tag,
    access: 'admin',
    response: systemSchema,
  }),
  getSandbox: endpoint({
    method: 'GET',
    path: '/api/v1/system/sandbox',
    summary: 'Whether runbooks can be carried out: tries the sandbox once, and says what it lacks',
    tag,
    access: 'admin',
    response: sandboxStateSchema,
  }),
}
