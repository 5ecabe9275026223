import { implement, type Route } from '../../http/implement.ts'
import type { KeyRotation } from '../../store/secrets/key-rotation.ts'
import { secretKeyContract } from './contract.ts'

export interface SecretKeyDeps {
  keyRotation: KeyRotation
}

export const secretKeyRoutes = ({ keyRotation }: SecretKeyDeps): Route[] =>
  implement(secretKeyContract, {
    getSecretKeyRotation: () => keyRotation.status(),
    async rotateSecretKey() {
      await keyRotation.start()
      return keyRotation.status()
    },
  })
