/** Who lives in the demo. The passwords are no secret: everything listens on loopback, for play. */
export const DOMAIN = "demo.example";
export const ANNA = { address: `anna@${DOMAIN}`, password: "demo-anna" };
export const BEN = { address: `ben@${DOMAIN}`, password: "demo-ben" };
export const ACCOUNTS = [ANNA, BEN] as const;
