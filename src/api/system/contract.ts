import { endpoint } from '../../http/endpoint.ts'
import { secretKeyRotationSchema } from '../../model/collections/secret-key.ts'
import { sandboxStateSchema, systemSchema } from '../../model/system.ts'

const tag = 'Server'

export const systemContract = {
  getSecretKeyRotation: endpoint({
    method: 'GET',
    path: '/api/v1/secret-key/rotate',
    summary: 'The progress of the encryption key rotation, and the next action',
    tag,
    access: 'admin',
    response: secretKeyRotationSchema,
  }),
  rotateSecretKey: endpoint({
    method: 'POST',
    path: '/api/v1/secret-key/rotate',
    summary: 'Encrypt all secrets with the newest key, in the background',
    tag,
    access: 'admin',
    response: secretKeyRotationSchema,
    status: 202,
    errors: ['conflict'],
  }),
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
