import { endpoint } from '../../http/endpoint.ts'
import { secretKeyRotationSchema } from '../../model/collections/secret-key.ts'

export const secretKeyContract = {
  getSecretKeyRotation: endpoint({
    method: 'GET',
    path: '/api/v1/secret-key/rotate',
    summary: 'The progress of the encryption key rotation, and the next action',
    tag: 'Server',
    access: 'admin',
    response: secretKeyRotationSchema,
  }),
  rotateSecretKey: endpoint({
    method: 'POST',
    path: '/api/v1/secret-key/rotate',
    summary: 'Encrypt all secrets with the newest key, in the background',
    tag: 'Server',
    access: 'admin',
    response: secretKeyRotationSchema,
    status: 202,
    errors: ['conflict'],
  }),
}
