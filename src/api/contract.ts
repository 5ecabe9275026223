import { collectionsContract } from './collections/contract.ts'
import { environmentContract } from './environment/contract.ts'
import { filesContract } from './files/contract.ts'
import { healthContract } from './health/contract.ts'
import { keysContract } from './keys/contract.ts'
import { runsContract } from './runs/contract.ts'
import { stepTemplatesContract } from './step-templates/contract.ts'
import { tasksContract } from './tasks/contract.ts'
import { trajectoriesContract } from './trajectories/contract.ts'

/** Everything that may be asked of the server, by the name of the operation. To add a resource: one line here. */
export const contract = {
  ...healthContract,
  ...collectionsContract,
  ...environmentContract,
  ...tasksContract,
  ...runsContract,
  ...trajectoriesContract,
  ...filesContract,
  ...keysContract,
  ...stepTemplatesContract,
}
