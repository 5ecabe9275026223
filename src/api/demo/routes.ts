import { implement, type Route } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import { demoContract } from './contract.ts'

const noDemo = async (): Promise<never> => {
  throw new AppError(
    'not_found',
    'The demo is not enabled on this server. Run a task of your own instead: POST /api/v1/run/{collection}/{task}',
  )
}

const noSignUp = async (): Promise<never> => {
  throw new AppError(
    'not_found',
    'Sign-up is not enabled on this server. Ask its operator for an API key: POST /api/v1/api-keys creates one',
  )
}

export const demoRoutes = (): Route[] =>
  implement(demoContract, { runDemo: noDemo, getDemoStatus: noDemo, getDemoReport: noDemo, signUpByEmail: noSignUp })
